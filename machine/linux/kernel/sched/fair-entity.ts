/**
 * Entities on their queues, after Linux 6.1 kernel/sched/fair.c: update_curr, enqueue_entity,
 * dequeue_entity, set_next_entity, put_prev_entity. Omits: schedstats, hrtick.
 */
import { F } from '../../arch/x86/model/generated/function-ids.ts';
import { accountRuntime } from './fair-runtime.ts';
import { linkEntity, unlinkEntity, updateCfsGroup, updateLoadAvg } from './fair-load.ts';
import type { FairPolicy } from './fair-policy.ts';
import { CFS } from './fair-cfs.ts';
import { EEVDF } from './fair-eevdf.ts';
import { calcDeltaFair, NICE_0_LOAD, setWeight } from './prio.ts';
import { reschedCurr } from './resched.ts';
import { Dequeue, Enqueue, type CfsRq, type SchedEntity, type SchedHost } from './entities.ts';

/** The fair scheduler of this boot. */
export function policyOf({ sched }: SchedHost): FairPolicy {
  return sched.settings.fair === 'eevdf' ? EEVDF : CFS;
}

/** update_curr: what the running entity has consumed since the last time. */
export function updateCurr(host: SchedHost, cfsRq: CfsRq): void {
  const { cpu } = host;
  const { curr, rq } = cfsRq;
  if (curr === null) {
    cpu.run(F.update_curr, 18);
    return;
  }
  const delta = rq.clock - curr.execStart;
  if (delta <= 0) {
    cpu.run(F.update_curr, 22);
    return;
  }
  const isNice0 = curr.load.weight === NICE_0_LOAD;
  cpu.run(F.update_curr, isNice0 ? 50 : 55);
  if (!isNice0) cpu.run(F.__calc_delta, 41);
  cpu.write(curr.address + 64);
  curr.execStart = rq.clock;
  curr.sumExecRuntime += delta;
  curr.vruntime += calcDeltaFair(delta, curr.load);
  const policy = policyOf(host);
  const isServed = policy.served(host, cfsRq, curr);
  cpu.run(F.update_min_vruntime, 18);
  cpu.write(rq.address + 320);
  policy.updateMinVruntime(cfsRq);
  if (curr.task !== null) {
    cpu.run(F.cpuacct_charge, 13);
    host.sched.trace.runtime(rq, curr.task, delta);
  }
  if (cfsRq.runtimeEnabled) accountRuntime(host, cfsRq, delta);
  if (isServed && cfsRq.nrRunning > 1) reschedCurr(host, rq);
}

/** enqueue_entity */
export function enqueueEntity(host: SchedHost, cfsRq: CfsRq, se: SchedEntity, flags: number): void {
  const { cpu } = host;
  const policy = policyOf(host);
  const isCurr = cfsRq.curr === se;
  cpu.run(F.enqueue_entity, 126);
  cpu.write(se.address);
  cpu.write(se.address + 64);
  cpu.write(cfsRq.rq.address + 256);
  updateCurr(host, cfsRq);
  updateLoadAvg(host, cfsRq, se);
  updateCfsGroup(host, policy, se);
  cpu.run(F.place_entity, 42);
  policy.place(host, cfsRq, se, flags);
  setWeight(cfsRq.load, cfsRq.load.weight + se.load.weight);
  if (se.task !== null) {
    cpu.run(F.__list_add_valid, 17);
    cfsRq.rq.cfsTasks.unshift(se.task);
  }
  cfsRq.nrRunning++;
  cpu.run(F.check_spread, 10);
  if ((flags & Enqueue.MIGRATED) !== 0) se.execStart = 0;
  if (!isCurr) {
    const steps = linkEntity(policy, cfsRq, se);
    chargeInsert(host, steps);
  }
  se.onRq = true;
}

/** rb_insert_color: 5 instructions for a first node, 7 below a black parent, more to rebalance. */
export function chargeInsert({ cpu }: SchedHost, steps: number): void {
  cpu.run(F.rb_insert_color, steps < 0 ? 5 : 7 + 30 * steps);
}

export function chargeErase({ cpu }: SchedHost, steps: number): void {
  cpu.run(F.rb_erase, 13 + 25 * steps);
}

/** dequeue_entity */
export function dequeueEntity(host: SchedHost, cfsRq: CfsRq, se: SchedEntity, flags: number): void {
  const { cpu } = host;
  const policy = policyOf(host);
  cpu.run(F.dequeue_entity, 95);
  cpu.write(se.address);
  cpu.write(cfsRq.rq.address + 256);
  updateCurr(host, cfsRq);
  updateLoadAvg(host, cfsRq, se);
  cpu.run(F.clear_buddies, 8);
  policy.leaving(host, cfsRq, se);
  if (host.sched.settings.fair === 'eevdf' && (flags & Dequeue.SLEEP) === 0) {
    se.deadline -= se.vruntime;
    se.relDeadline = true;
  }
  if (cfsRq.curr !== se) chargeErase(host, unlinkEntity(policy, cfsRq, se));
  se.onRq = false;
  setWeight(cfsRq.load, cfsRq.load.weight - se.load.weight);
  if (se.task !== null) {
    cpu.run(F.__list_del_entry_valid, 20);
    const { cfsTasks } = cfsRq.rq;
    cfsTasks.splice(cfsTasks.indexOf(se.task), 1);
  }
  cfsRq.nrRunning--;
  updateCfsGroup(host, policy, se);
  cpu.run(F.update_min_vruntime, 18);
  if ((flags & (Dequeue.SAVE | Dequeue.MOVE)) !== Dequeue.SAVE) policy.updateMinVruntime(cfsRq);
}

/** set_next_entity: off the tree and onto the CPU. */
export function setNextEntity(host: SchedHost, cfsRq: CfsRq, se: SchedEntity): void {
  const { cpu } = host;
  cpu.run(F.set_next_entity, 41);
  cpu.run(F.clear_buddies, 8);
  if (se.onRq) {
    if (cfsRq.timeline.leftmost === se.node) cpu.run(F.rb_next, 11);
    chargeErase(host, unlinkEntity(policyOf(host), cfsRq, se));
    updateLoadAvg(host, cfsRq, se);
  }
  cpu.write(se.address + 64);
  cpu.write(cfsRq.rq.address + 320);
  se.execStart = cfsRq.rq.clock;
  cfsRq.curr = se;
  policyOf(host).setNext(cfsRq, se);
}

/** put_prev_entity: back to the tree, if it still wants to run. */
export function putPrevEntity(host: SchedHost, cfsRq: CfsRq, prev: SchedEntity): void {
  const { cpu } = host;
  cpu.run(F.put_prev_entity, prev.onRq ? 52 : 20);
  if (prev.onRq) updateCurr(host, cfsRq);
  cpu.run(F.check_cfs_rq_runtime, 4);
  cpu.run(F.check_spread, 10);
  if (prev.onRq) {
    chargeInsert(host, linkEntity(policyOf(host), cfsRq, prev));
    updateLoadAvg(host, cfsRq, prev);
  }
  cfsRq.curr = null;
}
