//! The host's side of `wit/`, generated.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "step",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "launchway:bootstrap/kubernetes.apply": crate::capability::kubernetes::Apply,
        "launchway:bootstrap/kubernetes.wait": crate::capability::kubernetes::Wait,
        "launchway:bootstrap/files.dir": crate::capability::files::Dir,
        "launchway:bootstrap/charts.chart": crate::capability::charts::FetchedChart,
        "launchway:bootstrap/releases.release": crate::capability::releases::StepRelease,
        "launchway:bootstrap/secrets.secret": crate::capability::secrets::Secret,
        "launchway:bootstrap/report.activity": crate::capability::report::Activity,
    },
});
