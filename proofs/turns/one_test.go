package turns

import ("testing"; "os"; "fmt"; "os/exec"; "time"
mr "github.com/ubunye-go/modelregistry"
)

func TestOne(t *testing.T) {
	each(t, func(t *testing.T, x trial) {
		for range 10 {
			err := x.inWorld(func(w *world) error {
				for _, s := range mustParse(os.Getenv("SCRIPT")) {
					if err := w.pass(s); err != nil { return err }
				}
				last := ""
				for end := time.Now().Add(1500*time.Millisecond); time.Now().Before(end); {
					now := ""
					w.fresh(func(r *mr.ModelRegistry) error {
					for e, err := range r.History(t.Context(), modelName, nil) {
						if err != nil { return err }
						line, _ := eventLine(e)
						now = fmt.Sprint(e.Number, " ", line)
					}
					return nil
					})
					if now != last {
						fmt.Println(time.Since(w.idle), now)
						last = now
					}
				}
					out, _ := exec.Command("sh", "-c", "cd "+w.store+"/fraud/Risk; ls -la --time-style=full-iso; strings .lock; cut -c1-350 history.jsonl; tail -c 600 registry.json").CombinedOutput()
					_ = out
				return nil
			})
			if err != nil { t.Fatalf("to end: %v: %v", x,  err) }
		}
	})
}
