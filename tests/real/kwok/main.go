// Nodes and pods that are only said to run: the kwok command, and `kwok stages`, which prints the stages that make them ready at once.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	node "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	"sigs.k8s.io/kwok/kustomize/stage/node/heartbeat"
	pod "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "stages" {
		stages := []string{node.DefaultNodeInit, heartbeat.DefaultNodeHeartbeat, pod.DefaultPodReady, pod.DefaultPodComplete, pod.DefaultPodDelete}
		fmt.Println(strings.Join(stages, "\n---\n"))
		return
	}
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	context, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	context, err := config.InitFlags(context, flags)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	command := cmd.NewCommand(context)
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(context); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
