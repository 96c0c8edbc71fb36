import a.Door;

/* begin garden */
//[GATE]
import a.Gate;
/* end garden */
import b.Lock;

class House { }
