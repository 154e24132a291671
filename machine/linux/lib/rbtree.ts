/**
 * Augmented red-black trees, after Linux 6.1 lib/rbtree.c and include/linux/rbtree_augmented.h:
 * intrusive nodes, the leftmost one cached. Every change returns how many steps it took to
 * rebalance, because that is what its cost depends on. Omits: the lockless walk.
 */

/** A node. `item` is the object that it is part of. */
export class RbNode<T> {
  readonly item: T;
  parent: RbNode<T> | null = null;
  left: RbNode<T> | null = null;
  right: RbNode<T> | null = null;
  red = false;
  /** In a tree now. */
  linked = false;

  constructor(item: T) {
    this.item = item;
  }
}

/** What orders and augments a tree. */
export interface RbOrder<T> {
  /** Whether `a` goes before `b`; equals go behind those that are there. */
  readonly less: (a: T, b: T) => boolean;
  /** Recomputes what `item` knows of its subtree from its children. Returns true if it changed. */
  readonly augment?: (item: T, left: T | null, right: T | null) => boolean;
}

export class RbTree<T> {
  root: RbNode<T> | null = null;
  leftmost: RbNode<T> | null = null;
  private readonly order: RbOrder<T>;

  constructor(order: RbOrder<T>) {
    this.order = order;
  }

  get first(): T | null {
    return this.leftmost?.item ?? null;
  }

  /** Rebalancing steps: 0 for a black parent, -1 for the first node of the tree. */
  insert(node: RbNode<T>): number {
    const { less } = this.order;
    let parent: RbNode<T> | null = null;
    let at = this.root;
    let leftmost = true;
    while (at !== null) {
      parent = at;
      if (less(node.item, at.item)) at = at.left;
      else {
        at = at.right;
        leftmost = false;
      }
    }
    node.parent = parent;
    node.left = null;
    node.right = null;
    node.red = true;
    node.linked = true;
    if (parent === null) this.root = node;
    else if (less(node.item, parent.item)) parent.left = node;
    else parent.right = node;
    if (leftmost) this.leftmost = node;
    this.propagate(node);
    const first = parent === null;
    const steps = this.insertColor(node);
    return first ? -1 : steps;
  }

  /** Rebalancing steps. */
  remove(node: RbNode<T>): number {
    if (this.leftmost === node) this.leftmost = this.next(node);
    let child: RbNode<T> | null;
    let parent: RbNode<T> | null;
    let black: boolean;
    if (node.left !== null && node.right !== null) {
      const heir = this.lowest(node.right);
      child = heir.right;
      black = !heir.red;
      if (heir.parent === node) parent = heir;
      else {
        parent = heir.parent;
        this.replace(heir, child);
        heir.right = node.right;
        heir.right.parent = heir;
      }
      this.replace(node, heir);
      heir.left = node.left;
      heir.left.parent = heir;
      heir.red = node.red;
    } else {
      child = node.left ?? node.right;
      parent = node.parent;
      black = !node.red;
      this.replace(node, child);
    }
    node.parent = null;
    node.left = null;
    node.right = null;
    node.linked = false;
    if (parent !== null) this.propagate(parent);
    return black ? this.eraseColor(child, parent) : 0;
  }

  /** The next node in order, or null. */
  next(node: RbNode<T>): RbNode<T> | null {
    if (node.right !== null) return this.lowest(node.right);
    let at = node;
    while (at.parent !== null && at === at.parent.right) at = at.parent;
    return at.parent;
  }

  /** Recomputes the augmented values from `node` up to the root. */
  propagate(node: RbNode<T>): void {
    if (this.order.augment === undefined) return;
    for (let at: RbNode<T> | null = node; at !== null; at = at.parent) this.augmentOne(at);
  }

  /** Every item in order, for checks and walks over few. */
  *items(): Generator<T, undefined> {
    for (let at = this.leftmost; at !== null; at = this.next(at)) yield at.item;
    return undefined;
  }

  private augmentOne(node: RbNode<T>): void {
    this.order.augment?.(node.item, node.left?.item ?? null, node.right?.item ?? null);
  }

  private lowest(node: RbNode<T>): RbNode<T> {
    let at = node;
    while (at.left !== null) at = at.left;
    return at;
  }

  private replace(old: RbNode<T>, next: RbNode<T> | null): void {
    const { parent } = old;
    if (parent === null) this.root = next;
    else if (parent.left === old) parent.left = next;
    else parent.right = next;
    if (next !== null) next.parent = parent;
  }

  private rotateLeft(node: RbNode<T>): void {
    const pivot = node.right;
    if (pivot === null) return;
    node.right = pivot.left;
    if (pivot.left !== null) pivot.left.parent = node;
    this.replace(node, pivot);
    pivot.left = node;
    node.parent = pivot;
    this.augmentOne(node);
    this.augmentOne(pivot);
  }

  private rotateRight(node: RbNode<T>): void {
    const pivot = node.left;
    if (pivot === null) return;
    node.left = pivot.right;
    if (pivot.right !== null) pivot.right.parent = node;
    this.replace(node, pivot);
    pivot.right = node;
    node.parent = pivot;
    this.augmentOne(node);
    this.augmentOne(pivot);
  }

  private insertColor(inserted: RbNode<T>): number {
    let node = inserted;
    let steps = 0;
    for (;;) {
      const { parent } = node;
      if (parent === null) {
        node.red = false;
        return steps;
      }
      if (!parent.red) return steps;
      const grand = parent.parent;
      // A red node is never the root.
      if (grand === null) return steps;
      steps++;
      const isLeft = parent === grand.left;
      const uncle = isLeft ? grand.right : grand.left;
      if (uncle?.red === true) {
        parent.red = false;
        uncle.red = false;
        grand.red = true;
        node = grand;
        continue;
      }
      this.insertRotate(node, parent, grand, isLeft);
      return steps;
    }
  }

  private insertRotate(
    node: RbNode<T>,
    parent: RbNode<T>,
    grand: RbNode<T>,
    isLeft: boolean,
  ): void {
    let top = parent;
    if (isLeft) {
      if (node === parent.right) {
        this.rotateLeft(parent);
        top = node;
      }
      this.rotateRight(grand);
    } else {
      if (node === parent.left) {
        this.rotateRight(parent);
        top = node;
      }
      this.rotateLeft(grand);
    }
    top.red = false;
    grand.red = true;
  }

  private eraseColor(child: RbNode<T> | null, from: RbNode<T> | null): number {
    let node = child;
    let parent = from;
    let steps = 0;
    while (parent !== null && node?.red !== true) {
      steps++;
      const up = this.eraseStep(node, parent);
      if (up === null) return steps;
      node = up;
      parent = up.parent;
    }
    if (node !== null) node.red = false;
    return steps;
  }

  /** One level of the repair: the node that still lacks a black one, or null when done. */
  private eraseStep(node: RbNode<T> | null, parent: RbNode<T>): RbNode<T> | null {
    const isLeft = node === parent.left;
    let sibling = isLeft ? parent.right : parent.left;
    if (sibling?.red === true) {
      sibling.red = false;
      parent.red = true;
      if (isLeft) this.rotateLeft(parent);
      else this.rotateRight(parent);
      sibling = isLeft ? parent.right : parent.left;
    }
    if (sibling === null) return parent;
    const near = isLeft ? sibling.left : sibling.right;
    const far = isLeft ? sibling.right : sibling.left;
    if (near?.red !== true && far?.red !== true) {
      sibling.red = true;
      return parent;
    }
    let outer = far;
    let top = sibling;
    if (outer?.red !== true && near !== null) {
      near.red = false;
      sibling.red = true;
      if (isLeft) this.rotateRight(sibling);
      else this.rotateLeft(sibling);
      outer = sibling;
      top = near;
    }
    top.red = parent.red;
    parent.red = false;
    if (outer !== null) outer.red = false;
    if (isLeft) this.rotateLeft(parent);
    else this.rotateRight(parent);
    return null;
  }
}
