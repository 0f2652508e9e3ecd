namespace KestrelEventLoopTransport.Testing;

/// <summary>Tests that count what belongs to the whole process: they run alone.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessWide
{
    public const string Name = "Process-wide";
}
