/**
 * The accounts' side of the core: noting which block records may have changed, and emptying those.
 * AssemblyScript.
 */
import { BlockRecord, Cpu, RegionList } from '../layout';

@inline function append(cpu: usize, entry: usize): void {
  const count = load<u32>(cpu, Cpu.TOUCHED_COUNT);
  store<u32>(cpu + Cpu.TOUCHED + (<usize>count << 2), <u32>entry);
  store<u32>(cpu, count + 1, Cpu.TOUCHED_COUNT);
}

/** The COUNT or FAULTS of a record is about to rise from 0. */
export function touchRecord(cpu: usize, record: usize): void {
  append(cpu, record);
}

/** A region whose flag is 0 is entered. */
export function touchRegion(cpu: usize, list: usize): void {
  store<u8>(cpu + Cpu.REGION_FLAGS + <usize>load<u32>(list, RegionList.FLAG), 1);
  append(cpu, list + 1);
}

let recordsOut: usize = 0;
let cellsOut: usize = 0;
let found: i32 = 0;

/** Moves a record to the output, unless it is empty. */
function take(cpu: usize, record: usize): void {
  let any = v128.load(record);
  for (let at = record + 16; at < record + BlockRecord.BYTES; at += 16) {
    any = v128.or(any, v128.load(at));
  }
  if (!v128.any_true(any)) return;
  store<u32>(recordsOut + (<usize>found << 2), <u32>(record - cpu));
  memory.copy(cellsOut + <usize>found * BlockRecord.BYTES, record, BlockRecord.BYTES);
  memory.fill(record, 0, BlockRecord.BYTES);
  found++;
}

/**
 * Empties the records of a CPU. Entry i of `records` (i32) is the place of one that was not empty,
 * entry i of `cells` what it held. Returns how many there were.
 */
export function harvest(cpu: usize, records: usize, cells: usize): i32 {
  recordsOut = records;
  cellsOut = cells;
  found = 0;
  const end = cpu + Cpu.TOUCHED + (<usize>load<u32>(cpu, Cpu.TOUCHED_COUNT) << 2);
  for (let at = cpu + Cpu.TOUCHED; at < end; at += 4) {
    const entry = <usize>load<u32>(at);
    if ((entry & 1) == 0) {
      take(cpu, entry);
      continue;
    }
    const list = entry - 1;
    store<u8>(cpu + Cpu.REGION_FLAGS + <usize>load<u32>(list, RegionList.FLAG), 0);
    const last = list + RegionList.RECORDS + (<usize>load<u32>(list, RegionList.COUNT) << 2);
    for (let item = list + RegionList.RECORDS; item < last; item += 4) {
      take(cpu, cpu + <usize>load<u32>(item));
    }
  }
  store<u32>(cpu, 0, Cpu.TOUCHED_COUNT);
  return found;
}
