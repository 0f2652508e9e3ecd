using Steps = KestrelEventLoopTransport.Tests.States.EndSteps;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The steps that each thread has still to do.</summary>
internal readonly record struct ConnectionEndThreads(
    Steps Acceptor, Steps Loop, Steps Aborting, Steps Disposing, Steps Sending, Steps Borrowing, Steps Pool)
{
    internal static readonly string[] Names =
        ["acceptor", "loop", "aborting", "disposing", "sending", "borrowing", "pool"];

    internal bool AreDone => this == default;

    internal Steps this[int thread] => thread switch
    {
        0 => Acceptor,
        1 => Loop,
        2 => Aborting,
        3 => Disposing,
        4 => Sending,
        5 => Borrowing,
        _ => Pool,
    };

    internal ConnectionEndThreads With(int thread, Steps steps) => thread switch
    {
        0 => this with { Acceptor = steps },
        1 => this with { Loop = steps },
        2 => this with { Aborting = steps },
        3 => this with { Disposing = steps },
        4 => this with { Sending = steps },
        5 => this with { Borrowing = steps },
        _ => this with { Pool = steps },
    };
}
