namespace KestrelEventLoopTransport.Tests;

/// <summary>Every scheduling mode there is, so that a new one is tested without touching a test.</summary>
public static class Schedulings
{
    /// <summary>The stock transport knows two: handlers on the pool, and inline.</summary>
    public static ApplicationScheduling[] Values
        => TestSettings.OnStockTransport ? [ApplicationScheduling.ThreadPool, ApplicationScheduling.Inline] : Enum.GetValues<ApplicationScheduling>();

    public static TheoryData<ApplicationScheduling> All => [.. Values];

    /// <summary>
    /// The same, and <see langword="null"/> for a plain <see cref="System.IO.Pipelines.Pipe"/>: the model that the
    /// transport is compared with.
    /// </summary>
    public static TheoryData<ApplicationScheduling?> AllAndPipe
    {
        get
        {
            var data = new TheoryData<ApplicationScheduling?>();
            data.Add((ApplicationScheduling?)null);
            foreach (var scheduling in Values)
            {
                data.Add((ApplicationScheduling?)scheduling);
            }

            return data;
        }
    }
}
