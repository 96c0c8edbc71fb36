class Cart {
    int total(List<Item> items) {
        int sum = 0;
        for (Item item : items) sum += item.price;
        if (sum > LIMIT) sum = LIMIT;
        return sum;
    }
}
