package hub

import (
	"encoding/json"
	"fmt"

	"loophub/events"
)

// announce gives an item what publish puts on the bus once it is committed. Whoever
// writes the item again makes it anew, so nothing is announced twice for one write.
func announce(item key, l ...events.Announcement) error {
	if len(l) == 0 {
		return nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding announcements: %w", err)
	}
	item["ev"], item["an"] = text("+"), text(string(b))
	return nil
}

// tell announces one event.
func tell(item key, kind string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", kind, err)
	}
	return announce(item, events.Announcement{Type: kind, Data: b})
}
