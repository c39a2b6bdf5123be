package segment

import (
	"testing"
	"time"
	_ "time/tzdata"
)

// TestCalendar: periods follow one another without gap or overlap, and begin at
// the first moment that bears their date.
func TestCalendar(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Ho_Chi_Minh",
		"America/Sao_Paulo", // clocks went forward at midnight
		"Asia/Beirut",       // the same, east of Greenwich
		"America/Havana",    // and back to it
		"America/St_Johns",  // or back over it, at one past
		"Pacific/Apia",      // a day was left out: it has no moment
		"Australia/Lord_Howe"} {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range []unit{day, week, month, year} {
			c := calendar{unit: u, zone: z}
			for at := time.Date(2004, 1, 1, 0, 0, 0, 0, z); at.Year() < 2020; at = at.Add(11*time.Hour + 7*time.Minute) {
				p := c.period(at.UnixMilli())
				begin, end := c.begins(p), c.begins(c.step(p, 1))
				if at.UnixMilli() < begin || at.UnixMilli() >= end {
					t.Fatalf("%s: %v is not in its period from %v to %v", name, at, time.UnixMilli(begin).In(z), time.UnixMilli(end).In(z))
				}
				if c.period(begin) != p || c.period(end-1) != p || c.begins(c.period(end)) != end {
					t.Fatalf("%s: the edges of the period of %v lie elsewhere", name, at)
				}
			}
		}
	}
	for _, tt := range []struct{ zone, date, want string }{
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"},
		{"America/Sao_Paulo", "2018-11-05", "2018-11-05T02:00:00Z"},
		{"Asia/Beirut", "2018-03-25", "2018-03-24T22:00:00Z"},
		{"America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z"}, // half past eleven became half past midnight
		{"America/Havana", "2018-11-04", "2018-11-04T04:00:00Z"},
		{"Asia/Ho_Chi_Minh", "2026-03-01", "2026-02-28T17:00:00Z"},
	} {
		z, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		date, err := time.Parse(time.DateOnly, tt.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.UnixMilli(calendar{zone: z}.begins(date)).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s %s begins at %s, want %s", tt.zone, tt.date, got, tt.want)
		}
	}
}

func TestArithmeticIsBounded(t *testing.T) {
	const least, most = -1 << 63, 1<<63 - 1
	for _, tt := range []struct{ a, b, sum, difference, product int64 }{
		{2, 3, 5, -1, 6}, {-2, 3, 1, -5, -6}, {0, least, least, most, 0}, {most, 1, most, most - 1, most},
		{least, -1, least, least + 1, most}, {-1, least, least, most, most}, {most, most, most, 0, most}, {least, least, least, 0, most},
		{least, 1, least + 1, least, least}, {most, -2, most - 2, most, least}, {0, 0, 0, 0, 0}, {-1, -1, -2, 0, 1},
	} {
		if add(tt.a, tt.b) != tt.sum || subtract(tt.a, tt.b) != tt.difference || multiply(tt.a, tt.b) != tt.product {
			t.Errorf("%d, %d: %d %d %d", tt.a, tt.b, add(tt.a, tt.b), subtract(tt.a, tt.b), multiply(tt.a, tt.b))
		}
	}
}
