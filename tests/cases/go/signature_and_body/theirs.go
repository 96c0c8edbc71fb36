package shop

func Total(items []Item) (int, error) {
	total := 0
	for _, item := range items {
		total += item.Price
	}
	return total, nil
}
