class Cart {
    int total(List<Item> items) {
        int n = 0;
        for (Item item : items) n += item.price;
        if (n > LIMIT) n = LIMIT;
        return n;
    }
}
