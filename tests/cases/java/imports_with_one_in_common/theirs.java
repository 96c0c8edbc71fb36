package p;

import java.util.Map;
import java.util.Set;
import java.util.List;

class Shelf {
    List<String> books;
}
