using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Calls the application's code for each datagram. A call that throws does not keep the others of the batch.
/// </summary>
/// <param name="callback">The application's code.</param>
/// <param name="logger">Logs what that code throws.</param>
internal sealed class CallbackHandler(DatagramCallback callback, ILogger logger) : DatagramHandler
{
    public override void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
    {
        foreach (ref readonly var datagram in datagrams)
        {
            try
            {
                callback(datagram, sender);
            }
            catch (Exception exception)
            {
                DatagramLog.CallbackFailed(logger, exception);
            }
        }
    }
}
