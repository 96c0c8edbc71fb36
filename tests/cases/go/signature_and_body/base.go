package shop

func Total(items []Item) int {
	total := 0
	for _, item := range items {
		total += item.Price
	}
	return total
}
