import a.Door;

/* begin garden */
//[GATE]
import a.Gate;
/* end garden */
import a.Roof;
import b.Lock;

class House { }
