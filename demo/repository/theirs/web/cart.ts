import { Item } from "./item";

export enum CartEvent {
  Added = "added",
  Removed = "removed",
  Paid = "paid",
}

export class Cart {
  private readonly items: Item[] = [];

  add(item: Item): CartEvent {
    this.items.push(item);
    return CartEvent.Added;
  }

  total(): number {
    return this.items.reduce((sum, item) => sum + item.price, 0);
  }

  pay(): CartEvent {
    return CartEvent.Paid;
  }
}
