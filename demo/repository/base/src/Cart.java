package shop;

import java.util.List;
import java.util.Map;

public class Cart {
    private final List<Item> items;
    private final Map<String, Item> byName;

    public int size() {
        return items.size();
    }

    public Item find(String name) {
        return byName.get(name);
    }
}
