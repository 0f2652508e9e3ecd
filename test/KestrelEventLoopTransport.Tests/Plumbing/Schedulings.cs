namespace KestrelEventLoopTransport.Tests;

/// <summary>Every scheduling mode there is, so that a new one is tested without touching a test.</summary>
public static class Schedulings
{
    public static TheoryData<ApplicationScheduling> All => [.. Enum.GetValues<ApplicationScheduling>()];

    /// <summary>The same, and <see langword="null"/> for a plain <see cref="System.IO.Pipelines.Pipe"/>: the model that the transport is compared with.</summary>
    public static TheoryData<ApplicationScheduling?> AllAndPipe
    {
        get
        {
            var data = new TheoryData<ApplicationScheduling?>();
            data.Add((ApplicationScheduling?)null);
            foreach (var scheduling in Enum.GetValues<ApplicationScheduling>())
            {
                data.Add((ApplicationScheduling?)scheduling);
            }

            return data;
        }
    }
}
