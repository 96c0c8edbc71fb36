package client

import "log"

// Asks the shop for one value.
func Get(c *Client, key string) error {
	log.Printf("get %s", key)
	return c.Do(c.context, "GET", key, tries)
}

func Delete(c *Client, key string) error {
	log.Printf("delete %s", key)
	return c.Do(c.context, "DELETE", key, tries)
}
