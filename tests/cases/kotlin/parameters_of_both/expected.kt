class Cart(private val log: Log, private val tax: Tax, private val clock: Clock) {
    fun total() = items.sum()
}
