package main

import (
	"fmt"
	"testing"
	"time"

	"loophub/infra/local"
)

func TestExperiment(t *testing.T) {
	total := newRequests()
	for _, s := range scenarios {
		r := newRequests()
		begin := time.Now()
		err := s.run(t.Context(), t, nil, func(o *local.Options) { o.Asked = r.note })
		fmt.Println(s.name, time.Since(begin), err, len(r.done))
		for a, text := range r.refused {
			fmt.Println("refused", a, text)
		}
		for a := range r.done {
			total.done[a] = true
		}
	}
	for _, g := range granted(t) {
		used := false
		for a := range total.done {
			used = used || g.covers(a)
		}
		if !used {
			fmt.Println("unused", g)
		}
	}
}
