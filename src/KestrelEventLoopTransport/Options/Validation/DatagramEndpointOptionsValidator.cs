using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Validation;

/// <summary>Checks the options of a datagram endpoint when it is bound.</summary>
internal static class DatagramEndpointOptionsValidator
{
    private const int MaxDatagramSize = 65_535;

    /// <exception cref="OptionsValidationException">A value is out of range.</exception>
    internal static void Check(string endpoint, DatagramEndpointOptions options)
    {
        var problems = new List<string>();
        CheckRange(nameof(options.MaxDatagramSize), options.MaxDatagramSize, MaxDatagramSize);
        CheckRange(nameof(options.MaxSendQueueSize), options.MaxSendQueueSize, long.MaxValue);
        CheckRange(nameof(options.ReceiveBufferSize), options.ReceiveBufferSize ?? 1, int.MaxValue);
        CheckRange(nameof(options.SendBufferSize), options.SendBufferSize ?? 1, int.MaxValue);
        if (problems.Count != 0)
        {
            throw new OptionsValidationException(endpoint, typeof(DatagramEndpointOptions), problems);
        }

        void CheckRange(string option, long value, long max)
        {
            if (value < 1 || value > max)
            {
                problems.Add(
                    $"{nameof(DatagramEndpointOptions)}.{option} of {endpoint} is {value}; "
                        + $"it must be from 1 to {max}.");
            }
        }
    }
}
