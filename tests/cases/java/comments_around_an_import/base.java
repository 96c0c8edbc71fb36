import a.Door;

import b.Lock;

class House { }
