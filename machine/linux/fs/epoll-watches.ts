/**
 * Which epoll instances watch which files, after Linux 6.1 fs/eventpoll.c (eventpoll_release_file):
 * apart from eventpoll.ts, so that closing a file does not depend on all of epoll.
 */
import type { FileStruct } from '../include/linux/fs.ts';
import type { Kernel } from '../init/kernel.ts';

/** Ends a watch. */
type Unwatch = (kernel: Kernel) => void;

const watches = new WeakMap<FileStruct, Set<Unwatch>>();

export function addWatch(file: FileStruct, unwatch: Unwatch): boolean {
  const set = watches.get(file);
  if (set === undefined) watches.set(file, new Set([unwatch]));
  else set.add(unwatch);
  return set === undefined || set.size === 1;
}

export function removeWatch(file: FileStruct, unwatch: Unwatch): void {
  watches.get(file)?.delete(unwatch);
}

/** A file that goes is watched by nobody any more. */
export function releaseWatches(kernel: Kernel, file: FileStruct): void {
  const set = watches.get(file);
  if (set === undefined) return;
  watches.delete(file);
  for (const unwatch of set) unwatch(kernel);
}
