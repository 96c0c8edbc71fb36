import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;

class Names {
}
