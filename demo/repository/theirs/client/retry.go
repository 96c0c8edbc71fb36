package client

import "time"

// Waits between two tries of one request.
const firstWait = 200 * time.Millisecond

// How often one request is sent before the shop is reported as down.
const tries = 10

func wait(try int) time.Duration {
	return min(firstWait<<try, time.Minute)
}
