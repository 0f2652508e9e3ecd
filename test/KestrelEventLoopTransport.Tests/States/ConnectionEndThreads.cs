namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The steps that each thread has still to do, as characters, the next one first.</summary>
internal readonly record struct ConnectionEndThreads(
    string Acceptor, string Loop, string Aborting, string Disposing, string Sending, string Borrowing, string Pool)
{
    internal static readonly string[] Names =
        ["acceptor", "loop", "aborting", "disposing", "sending", "borrowing", "pool"];

    internal bool AreDone => this == new ConnectionEndThreads("", "", "", "", "", "", "");

    internal string this[int thread] => thread switch
    {
        0 => Acceptor,
        1 => Loop,
        2 => Aborting,
        3 => Disposing,
        4 => Sending,
        5 => Borrowing,
        _ => Pool,
    };

    internal ConnectionEndThreads With(int thread, string steps) => thread switch
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
