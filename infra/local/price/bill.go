package price

import (
	"fmt"

	"loophub/infra/local/meter"
)

// Bill is what somebody's use costs, with the figures that it comes from.
type Bill struct {
	Runs         int
	Microseconds int // of all runs, as assumed
	Calls        int // to AWS, that a function waits for
	Reads        float64
	Writes       float64
	Requests     int // of queues, a poller's and a rule's too
	Events       int
	LogBytes     int
	Mails        int

	Function, Table, Queue, Bus, Log, Other Amount
	// Apart is what messages cost to send, which is the same with any hub, and in no sum.
	Apart Amount
}

// Sum is all that counts.
func (b Bill) Sum() Amount { return b.Function + b.Table + b.Queue + b.Bus + b.Log + b.Other }

// Plus is the sum of two.
func (b Bill) Plus(o Bill) Bill {
	return Bill{b.Runs + o.Runs, b.Microseconds + o.Microseconds, b.Calls + o.Calls, b.Reads + o.Reads, b.Writes + o.Writes,
		b.Requests + o.Requests, b.Events + o.Events, b.LogBytes + o.LogBytes, b.Mails + o.Mails, b.Function + o.Function,
		b.Table + o.Table, b.Queue + o.Queue, b.Bus + o.Bus, b.Log + o.Log, b.Other + o.Other, b.Apart + o.Apart}
}

// Bill prices a use. Megabytes is the memory of the function whose use it is; 0 = it is none's. A use that has no price is
// refused.
func (l List) Bill(used meter.Sheet, a Assumptions, megabytes int) (Bill, error) {
	var b Bill
	for _, k := range used.Keys() {
		if err := b.add(l, k, used[k]); err != nil {
			return b, err
		}
	}
	if megabytes > 0 {
		var err error
		if b.Microseconds, err = a.Time(used, megabytes); err != nil {
			return b, err
		}
		b.Function += l.Cost(FunctionTime, float64(b.Microseconds)*float64(megabytes))
	}
	b.Table = l.Cost(TableRead, b.Reads) + l.Cost(TableWrite, b.Writes)
	b.Queue = l.Cost(QueueRequest, float64(b.Requests))
	b.Bus = l.Cost(BusEvent, float64(b.Events))
	b.Log = l.Cost(LogWrite, float64(b.LogBytes))
	b.Function += l.Cost(FunctionRun, float64(b.Runs))
	b.Apart = l.Cost(Mail, float64(b.Mails))
	return b, nil
}

func (b *Bill) add(l List, k meter.Key, u meter.Use) error {
	n := float64(u.Billed)
	switch k.Service {
	case meter.Invoked:
		b.Runs += u.Calls
		return nil
	case meter.Logged:
		b.LogBytes += u.Bytes
		return nil
	case meter.Scheduled:
		b.Other += l.Cost(ScheduleRun, n)
		return nil
	case meter.Polled:
		b.Requests += u.Billed
		return nil
	}
	b.Calls += u.Calls
	switch k.Service {
	case "dynamodb":
		b.Reads, b.Writes = b.Reads+u.Reads, b.Writes+u.Writes
	case "sqs":
		b.Requests += u.Billed
	case "events":
		b.Events += u.Billed
	case "ssm": // secure parameters, which a key of the account opens
		b.Other += l.Cost(ParameterRead, n) + l.Cost(KeyRequest, n)
	case "s3":
		if k.Operation == "PutObject" {
			b.Other += l.Cost(ObjectPut, n)
		} else {
			b.Other += l.Cost(ObjectGet, n)
		}
	case "sns":
		b.Other += l.Cost(Notification, n)
	case "ses":
		b.Mails += u.Calls
	case meter.Outside:
	default:
		return fmt.Errorf("%s:%s has no price", k.Service, k.Operation)
	}
	return nil
}
