using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Dialing;

// The addresses of a name.
internal sealed partial class Dial
{
    private async Task ResolveAsync(DnsEndPoint name, AddressFamily family, CancellationToken cancellationToken)
    {
        IPEndPoint[] endPoints = [];
        Exception? error = null;
        try
        {
            var addresses = await _context.Resolver(name.Host, family, cancellationToken).ConfigureAwait(false);
            endPoints = Array.ConvertAll(addresses, address => new IPEndPoint(address, name.Port));
        }
        catch (Exception exception)
        {
            error = exception;
        }

        lock (_lock)
        {
            if (_hasEnded)
            {
                return;
            }

            if (error is null)
            {
                _state.OnResolved(family, endPoints, LoopClock.Now);
            }
            else
            {
                _state.OnUnresolved(family, error, LoopClock.Now);
            }
        }

        Advance();
    }

    /// <summary>The families to ask for: one, if the name or the local address says so.</summary>
    private AddressFamily[] FamiliesOf(DnsEndPoint name)
    {
        AddressFamily[] all = [AddressFamily.InterNetworkV6, AddressFamily.InterNetwork];
        var local = _context.Options.LocalEndPoint?.AddressFamily ?? AddressFamily.Unspecified;
        return Array.FindAll(all, family => name.AddressFamily is AddressFamily.Unspecified or AddressFamily.Unknown
            ? local == AddressFamily.Unspecified || local == family
            : name.AddressFamily == family);
    }
}
