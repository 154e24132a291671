/**
 * epoll, after Linux 6.1 fs/eventpoll.c: level- and edge-triggered, one-shot, exclusive (as shared).
 * Omits: wake-up keys (a wake-up for another event makes the file be asked again), the check for cycles
 * deeper than an instance in itself, autosleep.
 */
import { MachineBug } from '../../core/assert.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { FileOperations, FileStruct, PollTable } from '../include/linux/fs.ts';
import { Poll } from '../include/uapi/asm-generic/poll.ts';
import type { Kernel } from '../init/kernel.ts';
import {
  addWaitQueue,
  removeWaitQueue,
  type WaitQueueEntry,
  type WaitQueueHead,
  waitQueueHead,
  wakeUp,
} from '../kernel/sched/wait.ts';
import { addWatch, removeWatch } from './epoll-watches.ts';
import { vfsPoll } from './select.ts';

/** Bits of an interest beside the events. */
export const enum Epoll {
  EXCLUSIVE = 0x10000000,
  WAKEUP = 0x20000000,
  ONESHOT = 0x40000000,
  ET = 0x80000000,
  /** EP_PRIVATE_BITS: what stays of a one-shot interest that has been served. */
  PRIVATE = 0xf0000000,
}

/** epitem: one interest. */
export interface EpollItem {
  readonly address: number;
  readonly file: FileStruct;
  readonly fd: number;
  /** Events and Epoll bits. */
  events: number;
  data: bigint;
  readonly queues: [WaitQueueHead, WaitQueueEntry][];
  readonly unwatch: (kernel: Kernel) => void;
}

export interface EpollEvent {
  readonly events: number;
  readonly data: bigint;
}

/** eventpoll */
export class EventPoll {
  readonly items = new Map<string, EpollItem>();
  /** rdllist: in the order in which they became ready. */
  readonly ready = new Set<EpollItem>();
  /** Those in epoll_wait. */
  readonly wait: WaitQueueHead;
  /** Those who poll the instance itself. */
  readonly pollWait: WaitQueueHead;

  constructor(readonly address: number) {
    this.wait = waitQueueHead(address + 64);
    this.pollWait = waitQueueHead(address + 96);
  }

  find(fd: number, file: FileStruct): EpollItem | undefined {
    const item = this.items.get(String(fd));
    return item?.file === file ? item : undefined;
  }
}

export function eventPollOf(file: FileStruct): EventPoll {
  if (!(file.data instanceof EventPoll)) throw new MachineBug('an epoll file has an instance');
  return file.data;
}

/** ep_item_poll */
function itemPoll(kernel: Kernel, item: EpollItem, table: PollTable | null): number {
  kernel.cpu.run(F.ep_item_poll, 32);
  kernel.cpu.run(F.epi_fget, 9);
  const mask = vfsPoll(kernel, item.file, table);
  kernel.cpu.run(F.fput, 4);
  return mask & (item.events | Poll.ERR | Poll.HUP);
}

/** ep_poll_callback: the file has woken its waiters. */
function callback(kernel: Kernel, ep: EventPoll, item: EpollItem): boolean {
  const { cpu } = kernel;
  cpu.run(F.ep_poll_callback, 88);
  cpu.run(F._raw_spin_lock_irqsave, 16);
  cpu.write(ep.address);
  if ((item.events & ~Epoll.PRIVATE) !== 0) {
    if (!ep.ready.has(item)) cpu.run(F.__list_add_valid, 17);
    ep.ready.add(item);
    if (ep.wait.entries.length > 0) wakeUp(kernel, ep.wait);
    if (ep.pollWait.entries.length > 0) wakeUp(kernel, ep.pollWait);
  }
  cpu.run(F.__rcu_read_lock, 6);
  cpu.run(F.__rcu_read_unlock, 8);
  cpu.run(F._raw_spin_unlock_irqrestore, 8);
  return true;
}

/** ep_insert: an interest that is ready already shows at once. Returns false without memory. */
export function insertItem(
  kernel: Kernel,
  ep: EventPoll,
  watched: { readonly file: FileStruct; readonly fd: number },
  event: EpollEvent,
): boolean {
  const { cpu, caches } = kernel;
  const address = caches.epitem.allocate(kernel);
  if (address < 0) return false;
  const { file, fd } = watched;
  const unwatch = (at: Kernel): void => {
    removeItem(at, ep, item);
  };
  const item: EpollItem = { address, file, fd, ...event, queues: [], unwatch };
  ep.items.set(String(fd), item);
  cpu.run(F.rb_insert_color, 5);
  cpu.write(ep.address);
  // attach_epitem: the first watch of a file takes a head for the list of its watches.
  if (addWatch(file, unwatch)) {
    caches.epitem.allocateCost(kernel, 100);
    cpu.run(F.__memset, 1);
    cpu.run(F.memset_erms, 6);
  }
  const table: PollTable = {
    queue: (at, _file, head) => {
      at.cpu.run(F.ep_ptable_queue_proc, 34);
      caches.pwq.allocateCost(at, 100);
      at.cpu.run(F.__memset, 1);
      at.cpu.run(F.memset_erms, 6);
      at.cpu.run(F._raw_spin_lock_irqsave, 16);
      at.cpu.run(F.__list_add_valid, 17);
      at.cpu.run(F._raw_spin_unlock_irqrestore, 10);
      const entry: WaitQueueEntry = {
        task: at.current,
        exclusive: false,
        wake: (waker) => callback(waker, ep, item),
      };
      addWaitQueue(at, head, entry);
      item.queues.push([head, entry]);
    },
  };
  if (itemPoll(kernel, item, table) !== 0) makeReady(kernel, ep, item);
  return true;
}

function makeReady(kernel: Kernel, ep: EventPoll, item: EpollItem): void {
  ep.ready.add(item);
  if (ep.wait.entries.length > 0) wakeUp(kernel, ep.wait);
  if (ep.pollWait.entries.length > 0) wakeUp(kernel, ep.pollWait);
}

/** ep_modify */
export function modifyItem(
  kernel: Kernel,
  ep: EventPoll,
  item: EpollItem,
  { events, data }: EpollEvent,
): void {
  item.events = events;
  item.data = data;
  kernel.cpu.write(item.address);
  if (itemPoll(kernel, item, null) !== 0) makeReady(kernel, ep, item);
}

/** ep_remove */
export function removeItem(kernel: Kernel, ep: EventPoll, item: EpollItem): void {
  for (const [head, entry] of item.queues) removeWaitQueue(kernel, head, entry);
  item.queues.length = 0;
  removeWatch(item.file, item.unwatch);
  ep.items.delete(String(item.fd));
  ep.ready.delete(item);
  kernel.caches.epitem.freeQuietly(item.address);
}

/** ep_send_events: up to `limit` events that still hold. */
export function collectEvents(kernel: Kernel, ep: EventPoll, limit: number): EpollEvent[] {
  const { cpu } = kernel;
  const events: EpollEvent[] = [];
  for (const item of [...ep.ready]) {
    if (events.length >= limit) break;
    ep.ready.delete(item);
    cpu.run(F.__list_del_entry_valid, 20);
    const returned = itemPoll(kernel, item, null);
    if (returned === 0) continue;
    events.push({ events: returned, data: item.data });
    if ((item.events & Epoll.ONESHOT) !== 0) item.events &= Epoll.PRIVATE;
    else if ((item.events & Epoll.ET) === 0) {
      // Level-triggered: asked again next time.
      ep.ready.add(item);
      cpu.run(F.__list_add_valid, 17);
    }
  }
  return events;
}

/** ep_eventpoll_poll */
function poll(kernel: Kernel, file: FileStruct, table: PollTable | null): number {
  const ep = eventPollOf(file);
  table?.queue(kernel, file, ep.pollWait);
  for (const item of ep.ready) {
    if (itemPoll(kernel, item, null) !== 0) return Poll.IN | Poll.RDNORM;
  }
  return 0;
}

export const EVENTPOLL: FileOperations = {
  kind: 'anonymous',
  stream: false,
  plain: true,
  poll,
  release: (kernel, file) => {
    const ep = eventPollOf(file);
    for (const item of [...ep.items.values()]) removeItem(kernel, ep, item);
    kernel.caches.kmalloc192.freeQuietly(ep.address);
  },
};
