package shop;

class Cart {
    int total(List<Item> items) {
        return addUp(items, currency);
    }
}
