/** Positioned reads of a file whose every length is doubted. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { FlatbufferError } from './flatbuffer.ts';
import { RecordingError, REMEDY_RECORD_AGAIN } from './recording-error.ts';

export class FileBytes {
  readonly size: number;
  private readonly fd: number;

  /** Opens for reading. Throws RecordingError when the file is absent or no regular file. */
  constructor(readonly path: string) {
    try {
      this.fd = openSync(path, 'r');
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
      const remedy = 'Check the path of the run';
      throw new RecordingError({ file: path, problem: `cannot be opened: ${reason}`, remedy });
    }
    const stat = fstatSync(this.fd);
    this.size = stat.size;
    if (!stat.isFile()) {
      this.close();
      const remedy = 'Name a run directory, as `lab run` prints it';
      throw new RecordingError({ file: path, problem: 'not a regular file', remedy });
    }
  }

  /** Fills `into` from `offset`. The range must lie in the file. */
  readInto(into: Uint8Array, offset: number): void {
    let done = 0;
    while (done < into.byteLength) {
      const count = readSync(this.fd, into, done, into.byteLength - done, offset + done);
      if (count === 0) throw this.fault(offset + done, 'the file ends early', REMEDY_RECORD_AGAIN);
      done += count;
    }
  }

  /** Reads `length` bytes into a buffer of their own (aligned for every column type). */
  read(offset: number, length: number, what: string): Uint8Array {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      const problem = `${what} would end at byte ${String(offset + length)} of ${String(this.size)}`;
      throw this.fault(Math.max(0, Math.min(offset, this.size)), problem);
    }
    const bytes = new Uint8Array(length);
    this.readInto(bytes, offset);
    return bytes;
  }

  /** Runs a decoder of metadata that was read from `offset`, turning its errors into ours. */
  decode<T>(offset: number, what: string, decoder: () => T): T {
    try {
      return decoder();
    } catch (cause) {
      if (!(cause instanceof FlatbufferError)) throw cause;
      throw this.fault(offset, `${what} is corrupt: ${cause.message}`);
    }
  }

  fault(offset: number, problem: string, remedy = REMEDY_RECORD_AGAIN): RecordingError {
    return new RecordingError({ file: this.path, offset, problem, remedy });
  }

  close(): void {
    closeSync(this.fd);
  }
}
