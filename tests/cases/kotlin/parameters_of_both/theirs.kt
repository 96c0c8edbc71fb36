class Cart(private val log: Log, private val tax: Tax) {
    fun total() = items.sum()
}
