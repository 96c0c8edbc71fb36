package shop;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What lies in the warehouse. */
public final class Inventory {
    private final List<Item> items = new ArrayList<>();

    public void add(Item item) {
        items.add(item);
    }

    public List<Item> items() {
        return items;
    }

    public int size() {
        return items.size();
    }

    public Optional<Item> first() {
        return items.stream().findFirst();
    }
}
