package api

// Routes are the methods and patterns that the stage serves.
func Routes() (l []string) {
	for _, r := range routes {
		l = append(l, r.method+" "+r.pattern)
	}
	return l
}
