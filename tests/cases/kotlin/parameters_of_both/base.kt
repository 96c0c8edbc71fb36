class Cart(private val log: Log) {
    fun total() = items.sum()
}
