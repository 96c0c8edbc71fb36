package shop;

class Cart {
    int total(List<Item> items) {
        return sum(items, currency);
    }
}
