namespace KestrelEventLoopTransport.Testing;

/// <summary>A logging provider that throws when told so, for what the transport says.</summary>
internal sealed class FailingLogs(Func<bool> fails) : TestLogs
{
    protected override void OnLogged(LogEntry entry)
    {
        if (entry.Category.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal) && fails())
        {
            throw new InvalidOperationException("The test's logger throws.");
        }
    }
}
