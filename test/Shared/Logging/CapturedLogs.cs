using System.Collections.Concurrent;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Keeps what is logged: all of it, or what a test asks for.</summary>
internal sealed class CapturedLogs(Func<LogEntry, bool>? keep = null) : TestLogs
{
    // A transport that spins while it cannot accept must fail its test, not exhaust the memory of the machine.
    private const int MaxEntries = 200_000;

    private readonly ConcurrentQueue<LogEntry> _entries = new();

    public IReadOnlyCollection<LogEntry> Entries => _entries;

    /// <summary>Takes the only entry, which the test expects.</summary>
    public LogEntry TakeSingle()
    {
        var entry = Assert.Single(_entries);
        _entries.Clear();
        return entry;
    }

    public void AssertEmpty() => Assert.True(_entries.IsEmpty, string.Join(Environment.NewLine, _entries));

    protected override void OnLogged(LogEntry entry)
    {
        if (_entries.Count < MaxEntries && keep?.Invoke(entry) != false)
        {
            _entries.Enqueue(entry);
        }
    }
}
