package p;

import java.util.List;

class Shelf {
    List<String> books;
}
