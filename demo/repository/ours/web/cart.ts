import { Item } from "./item";

export enum CartEvent {
  Added = "added",
  Removed = "removed",
  Emptied = "emptied",
}

export class Cart {
  private readonly items: Item[] = [];

  add(item: Item): CartEvent {
    this.items.push(item);
    return CartEvent.Added;
  }

  clear(): CartEvent {
    this.items.length = 0;
    return CartEvent.Emptied;
  }

  total(): number {
    return this.items.reduce((sum, item) => sum + item.price, 0);
  }
}
