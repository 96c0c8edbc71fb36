class Cart(private val log: Log, private val clock: Clock) {
    fun total() = items.sum()
}
