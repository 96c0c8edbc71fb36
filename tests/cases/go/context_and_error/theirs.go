package shop

func Total(items []Item) int {
	return sum(items, round)
}
