/** What can be wrong with a recording: one class, so that a command can print it and exit 2. */

export interface RecordingFault {
  /** The file or directory at fault. */
  readonly file: string;
  /** Byte offset in the file, where one is known. */
  readonly offset?: number;
  /** What is wrong, without a full stop. */
  readonly problem: string;
  /** What the user can do about it, as a sentence without a full stop. */
  readonly remedy: string;
}

/** A recording that is torn, corrupt, foreign or of another version. Never thrown for our own bugs. */
export class RecordingError extends Error implements RecordingFault {
  override readonly name = 'RecordingError';
  readonly file: string;
  readonly offset?: number;
  readonly problem: string;
  readonly remedy: string;

  constructor(fault: RecordingFault, options?: ErrorOptions) {
    const place = fault.offset === undefined ? '' : `, byte ${String(fault.offset)}`;
    super(`${fault.file}${place}: ${fault.problem}. ${fault.remedy}.`, options);
    this.file = fault.file;
    if (fault.offset !== undefined) this.offset = fault.offset;
    this.problem = fault.problem;
    this.remedy = fault.remedy;
  }
}

export const REMEDY_RECORD_AGAIN = 'Record the run again with `lab run`';
export const REMEDY_RECOVER =
  'Read what is whole with `lab query --recover`, or record the run again';
