/** Ours, not Linux's: what execve is asked for, and why it may fail, as values. */

/** Why a program cannot be started, when its file is fine. */
export interface ExecError {
  readonly kind: 'exec-error';
  readonly message: string;
  readonly remedy: string;
}

export interface ExecRequest {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Strings as text or as the bytes that they are, without their ends. */
  readonly argv: readonly (string | Uint8Array)[];
  readonly env: readonly (string | Uint8Array)[];
}

export function execError(message: string, remedy: string): ExecError {
  return { kind: 'exec-error', message, remedy };
}
