/**
 * SLUB, after Linux 6.1 mm/slub.c: caches of equal objects on pages from the buddy allocator, handed
 * out last-freed-first from the CPU's slab. Objects have addresses; their contents live in
 * TypeScript. Omits: partial lists per node, freelist randomisation, debugging.
 */
import { assert } from '../../core/assert.ts';
import { Cause } from '../../core/ledger/cause.ts';
import { ImageData, PerCpu } from '../arch/x86/model/address-map.ts';
import { F } from '../arch/x86/model/generated/function-ids.ts';
import type { KernelCpu } from '../arch/x86/model/kernel-cpu.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../arch/x86/model/physical-memory.ts';
import { condResched } from '../kernel/sched/cond_resched.ts';
import { PageKind } from './mem_map.ts';
import { tracePoint } from '../trace/points.ts';
import { Point } from '../trace/points-specs.ts';
import type { PageSource } from './page_alloc.ts';
import { chargeObject, unchargeObject } from './slab-accounting.ts';

const LINE_BYTES = 64;
/** Objects that a slab should hold at least, as calculate_order() aims for. */
const OBJECTS_PER_SLAB_MIN = 16;
const SLAB_ORDER_MAX = 3;

export class KmemCache {
  private readonly freeObjects: number[] = [];
  private readonly order: number;
  private live = 0;
  private slabs = 0;
  /** Whether its objects are charged to memory control groups. */
  accounted = false;

  constructor(
    readonly name: string,
    readonly objectBytes: number,
    private readonly index: number,
    /** Its objects are prepared once by a constructor, not zeroed at every allocation. */
    private readonly constructed = false,
  ) {
    let order = 0;
    while (order < SLAB_ORDER_MAX && (PAGE_BYTES << order) / objectBytes < OBJECTS_PER_SLAB_MIN) {
      order++;
    }
    this.order = order;
  }

  /** Objects in use. */
  get liveObjects(): number {
    return this.live;
  }

  /** Pages that its slabs take. */
  get pages(): number {
    return this.slabs << this.order;
  }

  /** kmem_cache_alloc with init_on_alloc: physical address of a zeroed object, or -1. */
  allocate(source: PageSource, atomic = false): number {
    const { cpu } = source;
    cpu.run(F.kmem_cache_alloc, this.constructed ? 84 : atomic ? 99 : 100);
    cpu.readImage(ImageData.KMEM_CACHES + this.index * 256);
    cpu.writePerCpu(PerCpu.SLAB_CACHES + this.index * 32);
    if (!atomic) condResched(cpu);
    cpu.run(F.should_failslab, 3);
    const object = this.take(source);
    if (object < 0) return -1;
    if (!this.constructed) this.clear(source, object);
    this.postAllocHook(cpu);
    tracePoint(source, Point.KMEM_CACHE_ALLOC, object, this.objectBytes);
    return object;
  }

  /** kmem_cache_alloc's instructions (`fast` of them its own), for an object that is made elsewhere. */
  allocateCost(source: PageSource, fast: number): void {
    const { cpu } = source;
    cpu.run(F.kmem_cache_alloc, fast);
    cpu.readImage(ImageData.KMEM_CACHES + this.index * 256);
    cpu.writePerCpu(PerCpu.SLAB_CACHES + this.index * 32);
    condResched(cpu);
    cpu.run(F.should_failslab, 3);
    this.postAllocHook(cpu);
    tracePoint(source, Point.KMEM_CACHE_ALLOC, 0, this.objectBytes);
  }

  private postAllocHook(cpu: KernelCpu): void {
    if (this.accounted) chargeObject(cpu);
    else cpu.run(F.memcg_slab_post_alloc_hook, 18);
  }

  /** kmem_cache_free's instructions, for an object that is taken back elsewhere. */
  freeCost(source: PageSource): void {
    const { cpu } = source;
    tracePoint(source, Point.KMEM_CACHE_FREE, 0, this.objectBytes);
    this.freeHook(cpu);
    cpu.writePerCpu(PerCpu.SLAB_CACHES + this.index * 32);
    cpu.run(F.cache_from_obj, 29);
  }

  /** kmem_cache_free itself and memcg_slab_free_hook. */
  private freeHook(cpu: KernelCpu): void {
    cpu.run(F.kmem_cache_free, this.accounted ? 118 : 70);
    if (this.accounted) unchargeObject(cpu);
  }

  /** An object without a charge but for a new slab; -1 without memory. */
  allocateQuietly(source: PageSource): number {
    return this.take(source);
  }

  /** kmem_cache_alloc_bulk, which Linux does not trace. Returns false when memory is used up. */
  allocateBulk(source: PageSource, objects: number[], count: number): boolean {
    const { cpu } = source;
    cpu.run(F.kmem_cache_alloc_bulk, 87 + 29 * count);
    cpu.writePerCpu(PerCpu.SLAB_CACHES + this.index * 32);
    condResched(cpu);
    cpu.run(F.should_failslab, 3);
    for (let i = 0; i < count; i++) {
      const object = this.take(source);
      if (object < 0) return false;
      this.clear(source, object);
      objects.push(object);
    }
    cpu.run(F.memcg_slab_post_alloc_hook, 18);
    return true;
  }

  /** kmem_cache_free */
  free(source: PageSource, object: number): void {
    const { cpu } = source;
    tracePoint(source, Point.KMEM_CACHE_FREE, object, this.objectBytes);
    this.freeHook(cpu);
    cpu.writePerCpu(PerCpu.SLAB_CACHES + this.index * 32);
    cpu.run(F.cache_from_obj, 29);
    cpu.writePageStruct(object >>> PAGE_SHIFT);
    cpu.write(object);
    this.put(object);
  }

  /** kmem_cache_free_bulk */
  freeBulk(source: PageSource, objects: number[]): void {
    const { cpu } = source;
    cpu.run(F.kmem_cache_free_bulk, 82 + 58 * objects.length);
    cpu.writePerCpu(PerCpu.SLAB_CACHES + this.index * 32);
    cpu.run(F.cache_from_obj, 29);
    for (const object of objects) {
      cpu.write(object);
      this.put(object);
    }
    objects.length = 0;
  }

  /** Takes an object back that was freed elsewhere (after a grace period), at nobody's expense. */
  freeQuietly(object: number): void {
    this.put(object);
  }

  private put(object: number): void {
    assert(this.live > 0, `${this.name}: more objects freed than allocated`);
    this.live--;
    this.freeObjects.push(object);
  }

  private take(source: PageSource): number {
    if (this.freeObjects.length === 0 && !this.addSlab(source)) return -1;
    this.live++;
    return this.freeObjects.pop() ?? -1;
  }

  /** slab_post_alloc_hook's zeroing. Objects whose makers ask for zeros are not told apart. */
  private clear({ cpu }: PageSource, object: number): void {
    if (!cpu.hardening.initOnAlloc) return;
    cpu.run(F.__memset, 1);
    cpu.run(F.memset_erms, 6);
    for (let at = 0; at < this.objectBytes; at += LINE_BYTES) cpu.write(object + at);
    cpu.charge(Cause.ZERO, Math.ceil(this.objectBytes / LINE_BYTES) * cpu.ticks.zeroPerLine);
  }

  /** ___slab_alloc taking a new slab: objects in address order. */
  private addSlab(source: PageSource): boolean {
    source.cpu.run(F.___slab_alloc, 166);
    const frame = source.buddy.allocateBlock(this.order, PageKind.SLAB);
    if (frame < 0) return false;
    this.slabs++;
    source.cpu.run(F.allocate_slab, 580);
    source.cpu.writePageStruct(frame);
    const bytes = PAGE_BYTES << this.order;
    const count = Math.floor(bytes / this.objectBytes);
    for (let i = count - 1; i >= 0; i--) {
      this.freeObjects.push((frame << PAGE_SHIFT) + i * this.objectBytes);
    }
    return true;
  }
}
