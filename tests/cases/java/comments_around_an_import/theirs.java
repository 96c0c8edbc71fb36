import a.Door;

import a.Roof;
import b.Lock;

class House { }
