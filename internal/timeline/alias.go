package timeline

import (
	"context"
	"time"

	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// AliasPeriods returns every period in which an alias named a version, in the
// order in which they began. Their Stage is empty. It reads the whole history.
// If the history is damaged, the error is a *driver.CorruptError.
func AliasPeriods(ctx context.Context, m *engine.Model, alias string) (list []*Period, err error) {
	h, events, err := allEvents(ctx, m)
	if err != nil {
		return nil, err
	}
	times, _ := index.Believed(writtenTimes(events), h.now)
	var now *Period
	for i := range events {
		e := &events[i]
		if e.Model == nil {
			continue
		}
		version, named := index.ReadFacts(e.Model).Alias(alias)
		if now != nil && named && now.Version == version {
			continue
		}
		if now != nil {
			now.End, now.Until = e, times[i]
			now = nil
		}
		if !named {
			continue
		}
		now = &Period{Version: version, Since: times[i], From: times[i], By: e.Actor, Event: *e}
		if e.Op == index.OpImport || e.Op == index.OpRepair { // it named the version before
			now.Since, now.By, now.Inferred = time.Time{}, "", true
		}
		list = append(list, now)
	}
	return list, nil
}
