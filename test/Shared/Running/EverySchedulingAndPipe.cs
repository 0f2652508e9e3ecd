namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// As <see cref="EveryScheduling"/>, and <see langword="null"/> for a plain <see cref="System.IO.Pipelines.Pipe"/>: the
/// model that the transport is compared with.
/// </summary>
public sealed class EverySchedulingAndPipe : TheoryData<ApplicationScheduling?>
{
    public EverySchedulingAndPipe()
    {
        Add((ApplicationScheduling?)null);
        foreach (var scheduling in EveryScheduling.Values)
        {
            Add((ApplicationScheduling?)scheduling);
        }
    }
}
